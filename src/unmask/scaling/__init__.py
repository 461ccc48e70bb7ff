"""What a size comes to in a given time, before anything is trained.

law.py         held-out loss from parameters and tokens, between two lines of the text; fitted to runs
sizes.py       the sizes there are, and the rules for batch and learning rates
speed.py       how fast this machine trains any of them, by ten seconds of real steps
candidates.py  all of it together: each size with its batch, its tokens and its expected loss

The runs that the law is fitted to are made by benchmarks/scaling.py.
"""
