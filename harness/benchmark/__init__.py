"""What is asked: the benchmark file, its checks, and the plan that follows from it."""
