"""Events: accept one or many, keep them durably with what is to be delivered, and answer questions about them.

Start reading at ``service.py``. ``validation.py`` and ``freezing.py`` hold the rules and touch nothing; ``intake.py`` gathers
what arrives at once into one commit; ``store.py`` has all the SQL.
"""
