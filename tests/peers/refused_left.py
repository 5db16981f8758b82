CRASHES = {}
def left(name): return set()
