"""What FlowForge needs goes away and comes back: real servers, the real process, a simulated GitHub."""
