module meshca.test/sets

go 1.24
