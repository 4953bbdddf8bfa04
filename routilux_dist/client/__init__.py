"""What users hold: `Runtime`, `Job`, `Flow`, `map`.

Law: everything here goes through `driver.session.Session`; nothing here knows which backend is behind it.
"""
