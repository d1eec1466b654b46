"""Lists of videos and their classes, in all the formats in which they are published."""
