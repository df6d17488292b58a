"""Live avatars by WebSocket: ``messages`` says what is sent, ``session`` what is done."""
