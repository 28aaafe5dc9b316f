"""Settings of a home: its folders, its `settings.toml`, and the options of every section."""
