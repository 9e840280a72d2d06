"""Measurements of Strongroom beside its peers; `benchmarks/README.md` says what each number means."""
