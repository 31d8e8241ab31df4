"""What a run leaves for machines and people: report.json, JUnit, a page to read, comparisons."""
