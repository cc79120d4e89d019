"""Write the pages: python -m dashboards.grafana."""

from dashboards.grafana.write import write

if __name__ == "__main__":
    for path in write():
        print(f"wrote {path}")  # noqa: T201
