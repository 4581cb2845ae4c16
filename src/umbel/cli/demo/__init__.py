"""``umbel demo``: a picture drawn by tasks, on the embedded broker, with a worker that is hurt on purpose."""
