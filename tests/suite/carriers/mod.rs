//! SMPP and CMPP before gateways: mocks of our own, and other people's software.

mod corpus;
mod interop;
mod whole;
