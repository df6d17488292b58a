"""``kill -9`` at random moments: ``python -m reliability.kill --help``.

``scenarios`` says what is run and what must hold, ``attempts`` runs and kills it, ``hub`` stands in
for the network.
"""
