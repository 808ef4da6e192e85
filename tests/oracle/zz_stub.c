void zz_oracle(void); void zz_oracle(void) {}
