"""The numbers by which formulas and the machine that runs them name an operation."""

COPY, AFFINE, LOG, SQRT, ABS, FILL, PRESENT, ABOVE, CLIP = range(9)
"""One argument: itself; scale and shift; natural logarithm, NaN below the smallest normal number; root of the scaled, NaN below
zero; size; NaN as zero; 1 where there is a value; 1 where above a constant; held within bounds."""

ADD, MULTIPLY, DIVIDE, RATIO, MAXIMUM, MINIMUM, BELOW = range(10, 17)
"""Two arguments. ``ADD`` weighs the second, the next two the first; ``DIVIDE`` is NaN where the denominator is not above zero,
``RATIO`` where it is zero but for rounding; ``BELOW`` is 1 where the first is at most the second."""

WHERE, NEWEST, SPREAD, DRIFT, PRODUCT = range(20, 25)
"""Three arguments and more. ``WHERE`` chooses by its first, ``NEWEST`` by the larger of its first
two; the others merge two neighbouring windows: sums of squares, of products with time, and of products."""

SORTED, PART, SHARE, LOOK_BACK = range(30, 34)
"""Over a whole window: order statistics kept in a sorted window, one of its outputs, the share of
weight at lower values, and a value as many bars back as another column says."""

TABLE, COLUMN = range(40, 42)
"""Not a column: hands two columns out to the float32 table as neighbouring features, or one in float64."""
