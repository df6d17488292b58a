"""``joyvasa app``: a page in the browser, on this computer, for everything a portrait can do.

``choices`` and ``studio`` turn the page's values into files and need no browser; ``page`` and
``handlers`` are the page (extra ``demo``), ``start`` serves it.
"""
