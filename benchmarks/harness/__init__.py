"""The parts of the benchmark, put together by benchmarks/run.py. Standard library, psutil, uvloop."""
