"""Whatever reads what strangers write, under a fuzzer: shortly in the suite, and for as long as you like by ``dev.py fuzz``."""
