"""Data: tables of benchmarks, where they come from, sets of images, and published weights.

| room | what |
|---|---|
| `catalog`, `benchmarks` | where the tables of known benchmarks are, and which these are |
| `tables` | the table format, and checks of known answers |
| `convert` | official files and packages as tables |
| `images` | labelled and unlabelled images |
| `download` | files from the network, checked |
| `cache`, `progress` | the folders that all of these use, and how they tell how far they are |
"""
