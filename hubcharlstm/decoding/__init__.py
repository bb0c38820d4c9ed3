"""Token ids -> logits -> next id: no text, no threads of its own."""
