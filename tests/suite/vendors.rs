//! Each provider, and the HTTP client that the REST ones share, before a fake of its vendor.

mod http;
