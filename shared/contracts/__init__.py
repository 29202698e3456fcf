"""Operations, events, errors and topics as data. Imports msgspec and the standard library only."""
