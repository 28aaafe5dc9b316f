"""Reading and writing: folders and URLs, Parquet tables and their schemas, stored models, figures."""
