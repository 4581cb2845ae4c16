"""``umbel demo``: a picture drawn by tasks, on the embedded broker, with a worker one of whose processes is killed."""
