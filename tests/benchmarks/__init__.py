"""What all benchmarks share: figures, the host that they were measured on, one file, one table.

Each `bench_*.py` measures one or more parts. `tox -e bench` empties the file, runs them, and prints
the table. No figure is judged: times on another host, or beside other work, are others.
"""
