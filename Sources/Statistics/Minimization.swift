// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// Nelder–Mead's simplex minimiser (GSL's `nmsimplex2`) from `start` with the given initial step.
///
/// Stops when the simplex is smaller than `tolerance` or after `iterations`. `f` may return `.infinity` to forbid a point.
/// - Returns: the best point seen and its value.
/// - Throws: `StatisticsError` when GSL cannot start (for instance `f` is not a number there).
public func minimize(
    from start: [Double], step: Double, iterations: Int, tolerance: Double = 1e-10, _ f: ([Double]) -> Double
) throws -> (point: [Double], value: Double) {
    precondition(!start.isEmpty && step > 0)
    let n = start.count
    return try withoutActuallyEscaping(f) { f in
        try withUnsafePointer(to: { (x: UnsafePointer<gsl_vector>) -> Double in
            f((0..<n).map { gsl_vector_get(x, $0) })
        }) { pointer in
            typealias Objective = (UnsafePointer<gsl_vector>) -> Double
            var function = gsl_multimin_function(
                f: { x, closure in closure!.assumingMemoryBound(to: Objective.self).pointee(x!) }, n: n,
                params: UnsafeMutableRawPointer(mutating: pointer))
            guard let x = gsl_vector_alloc(n), let steps = gsl_vector_alloc(n), let minimizer = cgsl_nelder_mead(n)
            else { throw StatisticsError("no memory for a minimisation in \(n) dimensions") }
            defer {
                gsl_vector_free(x)
                gsl_vector_free(steps)
                gsl_multimin_fminimizer_free(minimizer)
            }
            cgsl_error_handler_off()
            for (i, value) in start.enumerated() { gsl_vector_set(x, i, value) }
            gsl_vector_set_all(steps, step)
            try checkGSL(gsl_multimin_fminimizer_set(minimizer, &function, x, steps), doing: "starting the minimiser")
            for _ in 0..<iterations {
                // The minimiser reports an error when the simplex can shrink no more: the best point stands.
                if gsl_multimin_fminimizer_iterate(minimizer) != 0 { break }
                if gsl_multimin_fminimizer_size(minimizer) < tolerance { break }
            }
            let best = gsl_multimin_fminimizer_x(minimizer)!
            return ((0..<n).map { gsl_vector_get(best, $0) }, gsl_multimin_fminimizer_minimum(minimizer))
        }
    }
}

/// The first `count` points of Halton's sequence in [0, 1)^d, d ≤ 1229 (GSL), started after `skip` points.
/// - Throws: `StatisticsError` for a dimension outside 1…1229.
public func haltonPoints(count: Int, dimension: Int, skip: Int = 20) throws -> [[Double]] {
    guard (1...1229).contains(dimension) else {
        throw StatisticsError("Halton's sequence has 1 to 1229 dimensions, found \(dimension): use smaller m and n")
    }
    guard let generator = cgsl_halton(UInt32(dimension)) else { throw StatisticsError("no memory for Halton's sequence") }
    defer { gsl_qrng_free(generator) }
    var point = [Double](repeating: 0, count: dimension)
    for _ in 0..<skip { gsl_qrng_get(generator, &point) }
    return (0..<count).map { _ in
        gsl_qrng_get(generator, &point)
        return point
    }
}
