"""Long work: written down before it begins, done by threads of the console, and gone on with after a restart.

records   tasks as values, and where they are written down
signals   how far those are that run, and how they are cancelled
runner    the threads that do them
"""
