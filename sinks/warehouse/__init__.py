"""The warehouse: ClickHouse tables that stand repeats, views that give each fact once, and what loads them."""
