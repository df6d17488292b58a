"""``joyvasa serve``: videos by HTTP and live avatars by WebSocket (extra ``server``).

``limits`` says how much one server does, ``service`` holds what it works with, ``guard`` keeps out
what may not come in, ``routes`` and ``live`` are what clients see, ``app`` puts them together and
``run`` listens.
"""
