"""How much of a result stays when what was chosen or happened is changed a little."""
