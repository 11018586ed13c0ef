//! Mathematics that knows nothing of telemetry: exponential histograms, exact sums.
