"""The doors: HTTP, worker and command line, and the wiring that is the only place to know every room."""
