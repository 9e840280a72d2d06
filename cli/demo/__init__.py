"""The data of `strongroom demo`: an invented contact centre."""
