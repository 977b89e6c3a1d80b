"""Programs that stand for those of AWS's images; recipes copy them into environments, nothing imports them."""
