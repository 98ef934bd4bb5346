// SPDX-License-Identifier: GPL-3.0-or-later
// MPI's handles and constants are macros that cast (Open MPI: addresses of globals; MPICH: numbers), which Swift does not import, and
// their types differ between implementations. So nothing of MPI's but error codes leaves this header.
#pragma once
#include <mpi.h>
#include <stddef.h>

/// 0 on success, as all of these. Errors return from then on; MPI's own way is to end the job.
static inline int cmpi_init(int *rank, int *ranks) {
    int level, status = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (status) return status;
    if ((status = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN))) return status;
    if ((status = MPI_Comm_rank(MPI_COMM_WORLD, rank))) return status;
    return MPI_Comm_size(MPI_COMM_WORLD, ranks);
}

static inline int cmpi_finalize(void) { return MPI_Finalize(); }
static inline void cmpi_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

static inline int cmpi_all_gather(const void *own, void *all, int bytes) {
    return MPI_Allgather(own, bytes, MPI_BYTE, all, bytes, MPI_BYTE, MPI_COMM_WORLD);
}

/// Part i of `values` to rank i, and every rank's part for this one, of f32 numbers.
static inline int cmpi_exchange(const float *values, const int *counts, const int *offsets, float *parts, const int *part_counts,
                                const int *part_offsets) {
    return MPI_Alltoallv(values, counts, offsets, MPI_FLOAT, parts, part_counts, part_offsets, MPI_FLOAT, MPI_COMM_WORLD);
}

/// Every rank's part of `values`, on every rank.
static inline int cmpi_share(float *values, const int *counts, const int *offsets) {
    return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, counts, offsets, MPI_FLOAT, MPI_COMM_WORLD);
}

static inline int cmpi_broadcast(void *bytes, int count) { return MPI_Bcast(bytes, count, MPI_BYTE, 0, MPI_COMM_WORLD); }

enum { CMPI_MESSAGE = MPI_MAX_ERROR_STRING };
static inline void cmpi_message(int status, char text[MPI_MAX_ERROR_STRING]) {
    int length = 0;
    text[0] = 0;
    MPI_Error_string(status, text, &length);
}
