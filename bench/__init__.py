"""What Postern costs, measured: `python3 -m bench`, or `make bench`.

Both servers of a comparison run on the same machine, in the same run, on the same filesystem, one after the other in alternating order,
and are driven by the same program. Figures are printed; nothing here passes or fails.
"""
