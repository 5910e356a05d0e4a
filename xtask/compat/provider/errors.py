"""Error responses."""


class ApiError(Exception):
    def __init__(self, status, message, param=None):
        super().__init__(message)
        self.status, self.message, self.param = status, message, param

    def body(self):
        error = {"message": self.message, "type": "invalid_request_error", "param": self.param, "code": None}
        return {"error": error}


def missing(kind, id):
    return ApiError(404, f"No {kind} found with id '{id}'.")
