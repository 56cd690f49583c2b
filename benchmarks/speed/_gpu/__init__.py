"""The sections of benchmarks/speed/gpu.py."""
