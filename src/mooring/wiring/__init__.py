"""From a configuration to adapters: the only room that knows both."""
