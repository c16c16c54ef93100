"""What the forecasts rest on: features shuffled and left out, contributions, attention; nothing is learned again."""
