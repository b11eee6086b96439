"""What the HTML pages share: numbers as text, geometry of charts, style sheet, macros, template environment."""
