"""The output of a run for programs and people: report.json, JUnit, the page, comparisons."""
