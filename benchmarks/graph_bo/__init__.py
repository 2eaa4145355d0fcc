"""Studies of the strategy `graph_bo`: what it finds after how many queries, against others, and what a query takes."""
