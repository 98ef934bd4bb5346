// SPDX-License-Identifier: GPL-3.0-or-later
// Classifies one image of raw bytes [height, width, channels] from standard input: classify MODEL.bcgd < IMAGE
#include <bcgd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s MODEL.bcgd < IMAGE\n", arguments[0]);
        return 2;
    }
    char error[BCGD_ERROR_BYTES];
    bcgd_model *model = bcgd_open(arguments[1], 1, 1, error);
    if (!model) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    bcgd_description about;
    bcgd_describe(model, &about);
    size_t bytes = (size_t)about.height * about.width * about.channels;
    unsigned char *image = malloc(bytes);
    float *scores = malloc(about.classes * sizeof *scores);
    int status = 1;
    if (!image || !scores || fread(image, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "expected %zu bytes: %d x %d pixels of %d channels\n", bytes, about.height, about.width, about.channels);
    } else if (bcgd_run(model, image, 1, scores, error)) {
        fprintf(stderr, "%s\n", error);
    } else {
        int best = 0;
        for (int i = 1; i < about.classes; i++) best = scores[i] > scores[best] ? i : best;
        const char *name = about.class_names;
        for (int i = 0; i < best; i++) name = strchr(name, '\n') + 1;
        printf("%.*s %.9g\n", (int)strcspn(name, "\n"), name, scores[best]);
        status = 0;
    }
    free(image);
    free(scores);
    bcgd_close(model);
    return status;
}
