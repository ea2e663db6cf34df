"""One layer under the glass: its sizes, its cost, its matrix, its numbers.

``kinds`` says which layers there are, ``spec`` reads what people type, ``glass`` looks at one and
``compare`` at several; all numbers are those of `convatlas.ops`.
"""
