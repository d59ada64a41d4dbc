"""What the room of clients may refuse."""

from shared.contract.problems import ProblemType

EMAIL_TAKEN = ProblemType("email_taken", 409, "Somebody has this e-mail address already")
SIGN_UP_CLOSED = ProblemType("sign_up_closed", 403, "Clients can't sign up by themselves here")
WRONG_PASSWORD = ProblemType("wrong_password", 403, "The current password is wrong")
CLIENT_CLOSED = ProblemType("client_closed", 409, "The client is closed")
CLIENT_IN_USE = ProblemType("client_in_use", 409, "The client still has services")
