// A list of what one object is linked to, with pages in both directions. Only the compiler reads this.
const { graphql } = require('relay-runtime');

graphql`
  query facilityQuery($code: String!, $first: Int, $last: Int) {
    facilityByKey(code: $code) {
      ...facility_assets @arguments(first: $first, last: $last)
      ...facility_supplies
    }
  }
`;

graphql`
  fragment facility_assets on Facility
  @argumentDefinitions(
    first: {type: "Int"}
    after: {type: "String"}
    last: {type: "Int"}
    before: {type: "String"}
  )
  @refetchable(queryName: "facilityAssetsPageQuery") {
    name
    assets(first: $first, after: $after, last: $last, before: $before, orderBy: [{tag: ASC}])
      @connection(key: "facility_assets") {
      edges {
        link {
          weight
        }
        node {
          tag
        }
      }
    }
  }
`;

// The same links from both of their ends.
graphql`
  fragment facility_supplies on Facility {
    supplies(first: 3) {
      edges {
        link {
          id
          weight
        }
        node {
          suppliedBy(first: 3) {
            edges {
              link {
                id
                weight
              }
            }
          }
        }
      }
    }
  }
`;
