//! HTTP/1.1 as the doubles speak it, on the bare socket, so that every byte can go wrong on purpose. It never interprets a request.
