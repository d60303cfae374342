"""Plants faults in the product, one at a time, and says which of them no test notices: ``python -m tests.mutants``.

A copy of the working tree is changed and tested; the tree itself never is. Python is mutated by Cosmic Ray's operators
and a few of our own for what frames are asked by name; SQL by ours. Which tests judge a file is ``tests.yaml``; which
faults change no answer, and why, is ``equivalent.yaml``.
"""
