// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// `∫ f` over [a, b] by adaptive Gauss–Kronrod quadrature with 21 points (QUADPACK's QAG, in GSL).
///
/// - Parameters:
///   - a: where it begins.
///   - b: where it ends.
///   - relative: the relative error asked for, at least 1e-13.
///   - absolute: the absolute error that will do as well.
///   - f: the integrand.
/// - Throws: `StatisticsError` when the error bound is not reached within 200 intervals.
public func integrate(
    from a: Double, to b: Double, relative: Double = 1e-11, absolute: Double = 1e-14, _ f: (Double) -> Double
) throws -> Double {
    try withoutActuallyEscaping(f) { f in
        try withUnsafePointer(to: f) { pointer in
            var function = gsl_function(
                function: { x, closure in
                    closure!.assumingMemoryBound(to: ((Double) -> Double).self).pointee(x)
                }, params: UnsafeMutableRawPointer(mutating: pointer))
            guard let work = gsl_integration_workspace_alloc(200) else { throw StatisticsError("no memory for quadrature") }
            defer { gsl_integration_workspace_free(work) }
            cgsl_error_handler_off()
            var (value, error) = (0.0, 0.0)
            try checkGSL(
                gsl_integration_qag(&function, a, b, absolute, relative, 200, Int32(GSL_INTEG_GAUSS21), work, &value, &error),
                doing: "integrating over [\(a), \(b)]")
            return value
        }
    }
}
