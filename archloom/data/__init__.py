"""Data: tables of benchmarks, where they come from, sets of images, and published weights.

| room | what |
|---|---|
| `catalog`, `benchmarks` | which benchmarks are known, and where their tables are |
| `tables` | the table format, and checks of known answers |
| `convert` | official files and packages converted to tables |
| `images` | labelled and unlabelled images |
| `download` | files from the network, verified |
| `cache`, `progress` | the folders that all of these use, and how they report progress |
"""
