"""A report on one model: what it says, and how it is written as a page, as data and as text.

``model`` has the report itself, ``explain`` its words, ``recommend`` its recommendations, ``page``
and ``tables`` its forms. Its input is what ``gapbook.geometry.table.measure`` or
``gapbook.shards.measure_shards`` measured.
"""
