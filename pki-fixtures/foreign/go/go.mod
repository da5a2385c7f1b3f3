module fixtures

go 1.20
