"""The parts that pages, actions and the interface for programs share: who asks, how it is rendered, and how a page is kept alive."""
